import { open } from './open';
import { read } from './read';

export default open(read);
