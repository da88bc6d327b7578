namespace Shop;

record Line(string Name, int Count);

public sealed class Receipt
{
}
