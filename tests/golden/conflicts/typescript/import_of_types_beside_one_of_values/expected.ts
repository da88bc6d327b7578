import { a } from './a';
import type { B } from './b';
import { C } from './b';

export const x = a;
