import { a } from './a';
import type { B } from './b';

export const x = a;
