export function paint(wall) {
  wall.begin();
  tools.brush.wide.stroke(wall);
  return wall;
}
