start();
const size = f(1,2);
const depth = 3;
stop();
