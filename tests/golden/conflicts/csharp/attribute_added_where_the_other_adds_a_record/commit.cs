namespace Shop;

public record Line(string Name, int Count);

public class Receipt
{
}
