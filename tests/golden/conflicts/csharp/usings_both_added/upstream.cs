using System;
using System.Linq;
using System.Net;

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
