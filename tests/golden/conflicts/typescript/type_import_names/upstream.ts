import type { Id, Key, Name } from './types';

export const a: Id | Name = '';
