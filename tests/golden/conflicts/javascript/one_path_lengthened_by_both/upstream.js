export function paint(wall) {
  wall.begin();
  kit.tools.brush.stroke(wall);
  return wall;
}
