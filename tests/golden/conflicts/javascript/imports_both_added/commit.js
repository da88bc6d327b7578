import { open } from './open';
import { print } from './print';
import { read } from './read';

export default open(read);
