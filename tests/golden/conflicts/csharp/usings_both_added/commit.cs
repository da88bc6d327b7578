using System;
using System.Linq;
using System.Text;

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
