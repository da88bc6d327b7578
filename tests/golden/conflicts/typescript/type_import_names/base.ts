import type { Id, Name } from './types';

export const a: Id | Name = '';
