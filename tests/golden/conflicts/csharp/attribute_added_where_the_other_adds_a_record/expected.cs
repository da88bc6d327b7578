namespace Shop;

public record Line(string Name, int Count);

[Serializable]
public class Receipt
{
}
