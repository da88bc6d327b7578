import { open } from './open';
import { parse } from './parse';
import { read } from './read';

export default open(read);
