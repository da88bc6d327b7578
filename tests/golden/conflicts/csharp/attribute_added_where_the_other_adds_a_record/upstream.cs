namespace Shop;

[Serializable]
public class Receipt
{
}
