namespace Shop;

public class Receipt
{
}
