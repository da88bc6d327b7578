namespace Shop;

record Line(string Name, int Count);

class Receipt
{
}
