#include <map>
#include <memory>
#include <string>
#include <vector>

namespace shop {

class Basket {
public:
    Basket() = default;

    int count() const {
        return static_cast<int>(items_.size());
    }

private:
    std::vector<Item> items_;
};

}  // namespace shop
