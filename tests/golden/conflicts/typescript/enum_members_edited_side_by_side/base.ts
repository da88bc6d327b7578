export enum Level {
  Low = 'low',
  High = 'high',
}
