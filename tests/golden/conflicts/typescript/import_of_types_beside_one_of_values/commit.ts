import { a } from './a';
import { C } from './b';

export const x = a;
