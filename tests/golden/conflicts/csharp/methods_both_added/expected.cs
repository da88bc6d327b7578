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

        /// <summary>Puts everything back.</summary>
        public void Clear()
        {
            items.Clear();
        }

        [Obsolete("use Total")]
        public decimal Sum(Func<Item, decimal> price)
        {
            return items.Sum(price);
        }
    }
}
