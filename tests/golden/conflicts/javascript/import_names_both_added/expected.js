import { add, clear, remove, total } from './basket';

add(total);
