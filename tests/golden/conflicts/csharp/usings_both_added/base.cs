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
    }
}
