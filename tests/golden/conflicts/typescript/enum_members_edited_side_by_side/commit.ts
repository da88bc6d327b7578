export enum Level {
  Low = 'low',
  High = 'HIGH',
}
