export enum Level {
  Low = 'LOW',
  High = 'HIGH',
}
