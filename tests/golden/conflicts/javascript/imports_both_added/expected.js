import { open } from './open';
import { parse } from './parse';
import { print } from './print';
import { read } from './read';

export default open(read);
