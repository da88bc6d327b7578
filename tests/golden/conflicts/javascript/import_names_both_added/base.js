import { add, total } from './basket';

add(total);
