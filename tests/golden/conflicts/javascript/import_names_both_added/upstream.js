import { add, clear, total } from './basket';

add(total);
