get "/" do
  "home"
end
