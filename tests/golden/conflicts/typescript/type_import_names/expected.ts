import type { Id, Key, Label, Name } from './types';

export const a: Id | Name = '';
