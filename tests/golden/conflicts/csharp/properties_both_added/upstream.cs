public class Order
{
    public int Id { get; set; }
    public string Note { get; set; }
}
