export function paint(wall) {
  wall.begin();
  tools.brush.stroke(wall);
  return wall;
}
