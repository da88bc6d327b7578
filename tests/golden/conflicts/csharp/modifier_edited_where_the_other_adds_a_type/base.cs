namespace Shop;

class Receipt
{
}
