get "/" do
  "home"
end

get "/new" do
  erb :new
end
