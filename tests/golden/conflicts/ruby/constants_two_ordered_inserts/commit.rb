class Pool
  SIZE = 4
  NAMES = %w[a b].freeze
end
