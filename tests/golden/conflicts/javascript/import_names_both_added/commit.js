import { add, remove, total } from './basket';

add(total);
