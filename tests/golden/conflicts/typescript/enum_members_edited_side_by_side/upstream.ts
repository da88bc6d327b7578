export enum Level {
  Low = 'LOW',
  High = 'high',
}
