package shop;

import static shop.Money.euro;
import static shop.Money.pound;
import static shop.Money.zero;

class Till {
}
