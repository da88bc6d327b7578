class Pool
  SIZE = 4
  HALF = SIZE / 2
end
