using System;
using System.Linq;

namespace Shop
{
    public class Basket
    {
        private readonly List<Item> items = new();

        public int Count()
        {
            return items.Count;
        }

        [Obsolete("use Total")]
        public decimal Sum(Func<Item, decimal> price)
        {
            return items.Sum(price);
        }
    }
}
