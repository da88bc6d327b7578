package shop;

import java.util.List;
import java.util.Optional;
import java.util.Set;

class Basket {
}
