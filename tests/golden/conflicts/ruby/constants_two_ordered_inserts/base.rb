class Pool
  SIZE = 4
end
