import { a } from './a';

export const x = a;
