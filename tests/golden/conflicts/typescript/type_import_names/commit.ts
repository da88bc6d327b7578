import type { Id, Label, Name } from './types';

export const a: Id | Name = '';
