public class Order
{
    public int Id { get; set; }
    public DateTime? PaidAt { get; private set; }
}
