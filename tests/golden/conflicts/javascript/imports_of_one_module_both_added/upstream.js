import { c, e } from './shop.js';
import { a, b } from './z.js';

export const x = a + b;
