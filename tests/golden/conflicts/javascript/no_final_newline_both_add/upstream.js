function a() {
  return 1;
}

function bee(x) {
  return x;
}