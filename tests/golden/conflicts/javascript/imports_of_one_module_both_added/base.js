import { a, b } from './z.js';

export const x = a + b;
