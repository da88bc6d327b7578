function a() {
  return 1;
}

function sea() {
  return [2];
}