start();
const size = f(1, 4);

const depth = 3;
stop();
