get "/" do
  "home"
end

get "/:name" do
  Page.named(params[:name])
end
