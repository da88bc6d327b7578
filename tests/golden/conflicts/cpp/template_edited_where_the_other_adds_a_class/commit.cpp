struct Empty {
};

template <class T>
class Box {
    T held_;
};
