template <class T, int Size = 1>
class Box {
    T held_;
};
