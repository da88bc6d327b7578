namespace Shop;

public sealed class Receipt
{
}
